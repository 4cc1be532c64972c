-- What is promised: services and service level agreements.
-- Names, types and order are those of Znuny 6.5: existing reports and imports rely on them.

CREATE TABLE service (
    id serial NOT NULL,
    name varchar(200) NOT NULL,
    valid_id smallint NOT NULL,
    comments varchar(250),
    create_time timestamp(0) NOT NULL,
    create_by integer NOT NULL,
    change_time timestamp(0) NOT NULL,
    change_by integer NOT NULL,
    CONSTRAINT service_pkey PRIMARY KEY (id),
    CONSTRAINT service_name UNIQUE (name),
    CONSTRAINT fk_service_change_by_id FOREIGN KEY (change_by) REFERENCES users (id),
    CONSTRAINT fk_service_create_by_id FOREIGN KEY (create_by) REFERENCES users (id)
);

CREATE TABLE service_preferences (
    service_id integer NOT NULL,
    preferences_key varchar(150) NOT NULL,
    preferences_value varchar(250),
    CONSTRAINT fk_service_preferences_service_id_id FOREIGN KEY (service_id) REFERENCES service (id)
);
CREATE INDEX service_preferences_service_id ON service_preferences (service_id);

CREATE TABLE service_customer_user (
    customer_user_login varchar(200) NOT NULL,
    service_id integer NOT NULL,
    create_time timestamp(0) NOT NULL,
    create_by integer NOT NULL,
    CONSTRAINT fk_service_customer_user_create_by_id FOREIGN KEY (create_by) REFERENCES users (id),
    CONSTRAINT fk_service_customer_user_service_id_id FOREIGN KEY (service_id) REFERENCES service (id)
);
CREATE INDEX service_customer_user_customer_user_login ON service_customer_user (customer_user_login);
CREATE INDEX service_customer_user_service_id ON service_customer_user (service_id);

CREATE TABLE sla (
    id serial NOT NULL,
    name varchar(200) NOT NULL,
    calendar_name varchar(100),
    first_response_time integer NOT NULL,
    first_response_notify smallint,
    update_time integer NOT NULL,
    update_notify smallint,
    solution_time integer NOT NULL,
    solution_notify smallint,
    valid_id smallint NOT NULL,
    comments varchar(250),
    create_time timestamp(0) NOT NULL,
    create_by integer NOT NULL,
    change_time timestamp(0) NOT NULL,
    change_by integer NOT NULL,
    CONSTRAINT sla_pkey PRIMARY KEY (id),
    CONSTRAINT sla_name UNIQUE (name),
    CONSTRAINT fk_sla_change_by_id FOREIGN KEY (change_by) REFERENCES users (id),
    CONSTRAINT fk_sla_create_by_id FOREIGN KEY (create_by) REFERENCES users (id)
);

CREATE TABLE sla_preferences (
    sla_id integer NOT NULL,
    preferences_key varchar(150) NOT NULL,
    preferences_value varchar(250),
    CONSTRAINT fk_sla_preferences_sla_id_id FOREIGN KEY (sla_id) REFERENCES sla (id)
);
CREATE INDEX sla_preferences_sla_id ON sla_preferences (sla_id);

CREATE TABLE service_sla (
    service_id integer NOT NULL,
    sla_id integer NOT NULL,
    CONSTRAINT service_sla_service_sla UNIQUE (service_id, sla_id),
    CONSTRAINT fk_service_sla_service_id_id FOREIGN KEY (service_id) REFERENCES service (id),
    CONSTRAINT fk_service_sla_sla_id_id FOREIGN KEY (sla_id) REFERENCES sla (id)
);

CREATE TABLE personal_services (
    user_id integer NOT NULL,
    service_id integer NOT NULL,
    CONSTRAINT fk_personal_services_service_id_id FOREIGN KEY (service_id) REFERENCES service (id),
    CONSTRAINT fk_personal_services_user_id_id FOREIGN KEY (user_id) REFERENCES users (id)
);
CREATE INDEX personal_services_service_id ON personal_services (service_id);
CREATE INDEX personal_services_user_id ON personal_services (user_id);
