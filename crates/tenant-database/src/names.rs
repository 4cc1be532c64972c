//! How a tenant's schema and roles are called.

use domain::id::TenantId;
use domain::identifier::SqlIdent;

/// The names of one tenant's schema and roles, made of its id and nothing else, so that they survive every renaming.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantNames {
    /// `t_` and the 32 hexadecimal digits of the id.
    pub schema: SqlIdent,
    /// Owns the schema and all in it; cannot sign in.
    pub owner: SqlIdent,
    /// The tenant's runtime signs in as this.
    pub runtime: SqlIdent,
    /// Queries of tenant code run as this.
    pub lambda: SqlIdent,
}

impl TenantNames {
    /// The names for `tenant`.
    pub fn of(tenant: TenantId) -> Self {
        let schema = format!("t_{}", tenant.as_uuid().simple());
        let ident = |text: String| -> SqlIdent {
            text.parse().expect(
                "invariant: a letter, 33 more letters, digits and underscores, a short suffix",
            )
        };
        Self {
            owner: ident(format!("{schema}_owner")),
            runtime: ident(format!("{schema}_runtime")),
            lambda: ident(format!("{schema}_lambda")),
            schema: ident(schema),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sqlx::types::Uuid;

    use super::*;

    #[test]
    fn the_names_are_those_that_the_contracts_promise() {
        let tenant: TenantId = "0198c0de-0000-7000-8000-00000000002a".parse().unwrap();
        let names = TenantNames::of(tenant);
        assert_eq!(names.schema.as_str(), "t_0198c0de00007000800000000000002a");
        assert_eq!(
            names.owner.as_str(),
            format!("{}_owner", names.schema.as_str())
        );
        assert_eq!(
            names.runtime.as_str(),
            format!("{}_runtime", names.schema.as_str())
        );
        assert_eq!(
            names.lambda.as_str(),
            format!("{}_lambda", names.schema.as_str())
        );
    }

    proptest! {
        #[test]
        fn every_id_has_names_of_its_own_that_need_no_escaping(a: u128, b: u128) {
            let of = |bits| TenantNames::of(TenantId::from_uuid(Uuid::from_u128(bits)));
            let (one, other) = (of(a), of(b));
            for name in [&one.schema, &one.owner, &one.runtime, &one.lambda] {
                let text = name.as_str();
                prop_assert!(text.len() <= SqlIdent::MAX_LEN);
                prop_assert!(text.starts_with("t_"));
                prop_assert!(text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_')));
                prop_assert_eq!(name.to_string(), format!("\"{text}\""));
            }
            prop_assert_eq!(one == other, a == b);
            prop_assert_eq!(one.schema == other.schema, a == b);
        }
    }
}
