DO $layout$
BEGIN
  -- One node creates the table; the others wait and find it. Programs that do not know the index use the same format of
  -- tables, so it is no part of the format number.
  PERFORM pg_catalog.pg_advisory_xact_lock(8315179226369124211);
  IF pg_catalog.to_regclass({index_text}) IS NOT NULL THEN
    RETURN;
  END IF;

  CREATE TABLE {schema}.session_index (
    name bytea NOT NULL,
    value bytea NOT NULL,
    session bytea NOT NULL,
    PRIMARY KEY (name, value, session)
  );

  -- Follows a change of an indexed value, whichever program makes it. So it has the rights of its owner: the user of an
  -- older program has none on the table. Runs while the lock of the record is held.
  CREATE FUNCTION {schema}.session_index_follow() RETURNS trigger
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $follow$
  BEGIN
    IF TG_OP <> 'INSERT' THEN
      DELETE FROM {schema}.session_index i
      WHERE i.name = OLD.schema || OLD.field AND i.value = sha256(OLD.content) AND i.session = OLD.session;
    END IF;
    IF TG_OP <> 'DELETE' THEN
      INSERT INTO {schema}.session_index (name, value, session)
      VALUES (NEW.schema || NEW.field, sha256(NEW.content), NEW.session)
      ON CONFLICT DO NOTHING;
    END IF;
    RETURN NULL;
  END
  $follow$;

  -- Indexes a stored key, once: creates its triggers, whose conditions leave out the rows of all other keys, and enters
  -- the values that are stored already. Writes wait meanwhile.
  CREATE FUNCTION {schema}.session_index_key(IN p_schema bytea, IN p_field bytea) RETURNS void
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $key$
  DECLARE
    prefix text := 'session_index_' || left(encode(sha256(p_schema || p_field), 'hex'), 40);
    event text;
    changed text;
  BEGIN
    PERFORM pg_advisory_xact_lock(8315179226369124211);
    IF EXISTS (
      SELECT FROM pg_trigger t WHERE t.tgrelid = to_regclass({value_text}) AND t.tgname::text = prefix || '_delete'
    ) THEN
      RETURN;
    END IF;
    LOCK TABLE {schema}.session_value IN SHARE ROW EXCLUSIVE MODE;
    FOREACH event IN ARRAY ARRAY['INSERT', 'UPDATE', 'DELETE'] LOOP
      changed := CASE event WHEN 'INSERT' THEN 'NEW' ELSE 'OLD' END;
      EXECUTE format(
        'CREATE TRIGGER %I AFTER %s ON %s FOR EACH ROW WHEN (%s.schema = %L::bytea AND %s.field = %L::bytea %s) '
        'EXECUTE FUNCTION %s()',
        prefix || '_' || lower(event), event, {value_text}, changed, p_schema, changed, p_field,
        CASE event WHEN 'UPDATE' THEN 'AND OLD.content <> NEW.content' ELSE '' END, {follow_text}
      );
    END LOOP;
    INSERT INTO {schema}.session_index (name, value, session)
    SELECT v.schema || v.field, sha256(v.content), v.session
    FROM {schema}.session_value v WHERE v.schema = p_schema AND v.field = p_field
    ON CONFLICT DO NOTHING;
  END
  $key$;

  -- Deletes a record of this generation.
  CREATE FUNCTION {schema}.session_delete_if(IN p_key bytea, IN p_generation bigint) RETURNS bigint
  LANGUAGE plpgsql SET lock_timeout = '1s' AS $delete$
  DECLARE
    deleted bigint;
  BEGIN
    DELETE FROM {schema}.session_record r WHERE r.key = p_key AND r.generation = p_generation;
    GET DIAGNOSTICS deleted = ROW_COUNT;
    RETURN deleted;
  END
  $delete$;
END
$layout$;
