DO $layout$
BEGIN
  -- One node creates the tables; the others wait and find them.
  PERFORM pg_catalog.pg_advisory_xact_lock(8315179226369124211);
  IF pg_catalog.to_regnamespace({schema_text}) IS NULL THEN
    CREATE SCHEMA {schema};
  END IF;
  IF pg_catalog.to_regclass({layout_text}) IS NOT NULL THEN
    RETURN;
  END IF;

  CREATE TABLE {schema}.session_layout (version integer NOT NULL);
  INSERT INTO {schema}.session_layout VALUES (1);

  CREATE TABLE {schema}.session_record (
    key bytea NOT NULL PRIMARY KEY,
    expires bigint NOT NULL,
    created bigint NOT NULL,
    touched bigint NOT NULL,
    ends bigint NOT NULL,
    expiry_kind bigint NOT NULL,
    expiry bigint NOT NULL,
    secret bytea NOT NULL,
    secret_since bigint NOT NULL,
    previous bytea,
    previous_until bigint,
    generation bigint NOT NULL,
    generation_since bigint,
    revision bigint NOT NULL,
    bytes bigint NOT NULL,
    keys bigint NOT NULL
  ) WITH (fillfactor = 70);
  CREATE INDEX session_record_expires ON {schema}.session_record (expires);

  CREATE TABLE {schema}.session_value (
    session bytea NOT NULL,
    schema bytea NOT NULL,
    field bytea NOT NULL,
    content bytea NOT NULL,
    PRIMARY KEY (session, schema, field)
  ) WITH (fillfactor = 80);

  -- Deletes the values of a record, whichever statement deletes it. Runs after the record's lock is held, so that it
  -- sees all values written until then.
  CREATE FUNCTION {schema}.session_forget() RETURNS trigger LANGUAGE plpgsql AS $forget$
  BEGIN
    DELETE FROM {schema}.session_value v WHERE v.session = OLD.key;
    RETURN NULL;
  END
  $forget$;
  CREATE TRIGGER session_forget AFTER DELETE ON {schema}.session_record
    FOR EACH ROW EXECUTE FUNCTION {schema}.session_forget();

  -- Applies a patch, or returns why it does not apply. Outcome: 0 done, 1 gone, 2 renewed, 3 conflict. Each statement
  -- in here has its own snapshot, so values are read after the lock is held. Plans are made once per connection: plans
  -- for the actual arrays would look cheaper, but planning costs more than all the rest.
  --
  -- Flags of a key: 1 it changes (no content: removed), 2 it must be as loaded (no base: absent), 4 the base is a hash,
  -- 8 or as its content.
  CREATE FUNCTION {schema}.session_patch(
    IN p_key bytea, IN p_now bigint, IN p_generation bigint, IN p_revision bigint,
    IN p_schemas bytea[], IN p_fields bytea[], IN p_contents bytea[], IN p_flags smallint[], IN p_bases bytea[],
    IN p_deadline bigint[], IN p_secret bigint[], IN p_hashes bytea[],
    OUT outcome smallint, OUT head {schema}.session_record, OUT texts bytea[]
  ) LANGUAGE plpgsql SET lock_timeout = '1s' SET plan_cache_mode = force_generic_plan AS $patch$
  DECLARE
    before {schema}.session_record;
    is_broken boolean := false;
    sets bigint := 0;
    removes bigint := 0;
    more_bytes bigint := 0;
    more_keys bigint := 0;
  BEGIN
    SELECT r.* INTO head FROM {schema}.session_record r WHERE r.key = p_key FOR NO KEY UPDATE;
    IF NOT FOUND OR head.expires <= p_now THEN
      outcome := 1;
      head := NULL;
      RETURN;
    END IF;
    IF head.generation <> p_generation THEN
      outcome := 2;
      head := NULL;
      RETURN;
    END IF;
    IF head.revision <> p_revision THEN
      outcome := 3;
      RETURN;
    END IF;

    IF pg_catalog.cardinality(p_schemas) > 0 THEN
      SELECT
        COALESCE(bool_or(
          CASE
            WHEN c.flags & 2 = 0 THEN false
            WHEN c.flags & 4 = 0 THEN v.content IS DISTINCT FROM c.base
            ELSE pg_catalog.sha256(v.content) IS DISTINCT FROM c.base
          END AND NOT (c.flags & 8 <> 0 AND v.content IS NOT DISTINCT FROM c.content)
        ), false),
        count(*) FILTER (WHERE c.flags & 1 <> 0 AND c.content IS NOT NULL),
        count(*) FILTER (WHERE c.flags & 1 <> 0 AND c.content IS NULL),
        COALESCE(sum(
          CASE WHEN c.content IS NULL THEN 0 ELSE length(c.schema) + length(c.field) + length(c.content) END
          - CASE WHEN v.content IS NULL THEN 0 ELSE length(c.schema) + length(c.field) + length(v.content) END
        ) FILTER (WHERE c.flags & 1 <> 0), 0),
        COALESCE(sum((c.content IS NOT NULL)::int - (v.content IS NOT NULL)::int) FILTER (WHERE c.flags & 1 <> 0), 0)
      INTO is_broken, sets, removes, more_bytes, more_keys
      FROM unnest(p_schemas, p_fields, p_contents, p_flags, p_bases) AS c (schema, field, content, flags, base)
      LEFT JOIN {schema}.session_value v ON v.session = p_key AND v.schema = c.schema AND v.field = c.field;
    END IF;
    IF is_broken THEN
      outcome := 3;
      SELECT array_agg(v.schema || v.field || pg_catalog.decode('ff', 'hex') || v.content) INTO texts
      FROM unnest(p_schemas, p_fields, p_flags) AS c (schema, field, flags)
      JOIN {schema}.session_value v ON v.session = p_key AND v.schema = c.schema AND v.field = c.field
      WHERE c.flags & 2 <> 0;
      RETURN;
    END IF;

    outcome := 0;
    IF sets > 0 THEN
      INSERT INTO {schema}.session_value AS v (session, schema, field, content)
      SELECT p_key, c.schema, c.field, c.content
      FROM unnest(p_schemas, p_fields, p_contents, p_flags) AS c (schema, field, content, flags)
      WHERE c.flags & 1 <> 0 AND c.content IS NOT NULL
      ON CONFLICT ON CONSTRAINT session_value_pkey DO UPDATE SET content = excluded.content;
    END IF;
    IF removes > 0 THEN
      DELETE FROM {schema}.session_value v
      USING unnest(p_schemas, p_fields, p_contents, p_flags) AS c (schema, field, content, flags)
      WHERE v.session = p_key AND v.schema = c.schema AND v.field = c.field AND c.flags & 1 <> 0 AND c.content IS NULL;
    END IF;

    IF p_deadline IS NULL AND p_secret IS NULL THEN
      IF sets + removes > 0 THEN
        UPDATE {schema}.session_record r SET
          revision = CASE r.revision WHEN 9223372036854775807 THEN -9223372036854775808 ELSE r.revision + 1 END,
          bytes = GREATEST(r.bytes + more_bytes, 0),
          keys = GREATEST(r.keys + more_keys, 0)
        WHERE r.key = p_key RETURNING r.* INTO head;
      END IF;
      RETURN;
    END IF;

    before := head;
    IF sets + removes > 0 THEN
      head.revision := CASE head.revision WHEN 9223372036854775807 THEN -9223372036854775808 ELSE head.revision + 1 END;
      head.bytes := GREATEST(head.bytes + more_bytes, 0);
      head.keys := GREATEST(head.keys + more_keys, 0);
    END IF;
    -- Deadline: operation (1 touch, 2 choose), deadline seen, touched, expires, kind of expiry, its number.
    IF p_deadline[1] = 2 OR (p_deadline[1] = 1 AND p_deadline[2] = before.expires) THEN
      head.touched := p_deadline[3];
      head.expires := p_deadline[4];
    END IF;
    IF p_deadline[1] = 2 THEN
      head.expiry_kind := p_deadline[5];
      head.expiry := p_deadline[6];
    END IF;
    -- Secret: operation (1 raise, 2 periodic, 3 presented), instant, deadline seen. Hashes: seen, new.
    IF p_secret[1] = 1 THEN
      head.secret := p_hashes[2];
      head.secret_since := p_secret[2];
      head.previous := NULL;
      head.previous_until := NULL;
      head.generation :=
        CASE head.generation WHEN 9223372036854775807 THEN -9223372036854775808 ELSE head.generation + 1 END;
      head.generation_since := p_secret[2];
    ELSIF p_secret[1] = 2 AND before.secret = p_hashes[1] AND before.expires = p_secret[3] THEN
      head.previous := before.secret;
      head.previous_until := NULL;
      head.secret := p_hashes[2];
      head.secret_since := p_secret[2];
    ELSIF p_secret[1] = 3 AND before.secret = p_hashes[1] AND before.previous IS NOT NULL THEN
      head.previous_until := COALESCE(before.previous_until, p_secret[2]);
    END IF;
    IF head IS DISTINCT FROM before THEN
      UPDATE {schema}.session_record r SET
        expires = head.expires, touched = head.touched, expiry_kind = head.expiry_kind, expiry = head.expiry,
        secret = head.secret, secret_since = head.secret_since, previous = head.previous,
        previous_until = head.previous_until, generation = head.generation, generation_since = head.generation_since,
        revision = head.revision, bytes = head.bytes, keys = head.keys
      WHERE r.key = p_key;
    END IF;
  END
  $patch$;

  CREATE FUNCTION {schema}.session_delete(IN p_key bytea) RETURNS void
  LANGUAGE plpgsql SET lock_timeout = '1s' AS $delete$
  BEGIN
    DELETE FROM {schema}.session_record r WHERE r.key = p_key;
  END
  $delete$;
END
$layout$;
