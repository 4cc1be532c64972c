-- `calendar.salt_string` must be there and has no default in OTRS, whose program makes it; a secret that no form should
-- ask for. A default would make the column differ from theirs, a trigger does not. Imported rows bring their own.

CREATE FUNCTION gotrs_fill_calendar_salt() RETURNS trigger
LANGUAGE plpgsql
AS $function$
BEGIN
    NEW.salt_string := replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', '');
    RETURN NEW;
END
$function$;

REVOKE ALL ON FUNCTION gotrs_fill_calendar_salt() FROM PUBLIC;

CREATE TRIGGER gotrs_fill_calendar_salt
    BEFORE INSERT ON calendar
    FOR EACH ROW
    WHEN (NEW.salt_string IS NULL)
    EXECUTE FUNCTION gotrs_fill_calendar_salt();
