-- Why and until when the code of a module does not run in a replica; null while it runs.
ALTER TABLE module_acknowledgement ADD COLUMN suspension jsonb;
