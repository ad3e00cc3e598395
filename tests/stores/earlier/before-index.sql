SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;
CREATE FUNCTION public.session_delete(p_key bytea) RETURNS void
    LANGUAGE plpgsql
    SET lock_timeout TO '1s'
    AS $$
  BEGIN
    DELETE FROM "public".session_record r WHERE r.key = p_key;
  END
  $$;
CREATE FUNCTION public.session_forget() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
  BEGIN
    DELETE FROM "public".session_value v WHERE v.session = OLD.key;
    RETURN NULL;
  END
  $$;
SET default_tablespace = '';
SET default_table_access_method = heap;
CREATE TABLE public.session_record (
    key bytea NOT NULL,
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
)
WITH (fillfactor='70');
CREATE FUNCTION public.session_patch(p_key bytea, p_now bigint, p_generation bigint, p_revision bigint, p_schemas bytea[], p_fields bytea[], p_contents bytea[], p_flags smallint[], p_bases bytea[], p_deadline bigint[], p_secret bigint[], p_hashes bytea[], OUT outcome smallint, OUT head public.session_record, OUT texts bytea[]) RETURNS record
    LANGUAGE plpgsql
    SET lock_timeout TO '1s'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
  DECLARE
    before "public".session_record;
    is_broken boolean := false;
    sets bigint := 0;
    removes bigint := 0;
    more_bytes bigint := 0;
    more_keys bigint := 0;
  BEGIN
    SELECT r.* INTO head FROM "public".session_record r WHERE r.key = p_key FOR NO KEY UPDATE;
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
      LEFT JOIN "public".session_value v ON v.session = p_key AND v.schema = c.schema AND v.field = c.field;
    END IF;
    IF is_broken THEN
      outcome := 3;
      SELECT array_agg(v.schema || v.field || pg_catalog.decode('ff', 'hex') || v.content) INTO texts
      FROM unnest(p_schemas, p_fields, p_flags) AS c (schema, field, flags)
      JOIN "public".session_value v ON v.session = p_key AND v.schema = c.schema AND v.field = c.field
      WHERE c.flags & 2 <> 0;
      RETURN;
    END IF;
    outcome := 0;
    IF sets > 0 THEN
      INSERT INTO "public".session_value AS v (session, schema, field, content)
      SELECT p_key, c.schema, c.field, c.content
      FROM unnest(p_schemas, p_fields, p_contents, p_flags) AS c (schema, field, content, flags)
      WHERE c.flags & 1 <> 0 AND c.content IS NOT NULL
      ON CONFLICT ON CONSTRAINT session_value_pkey DO UPDATE SET content = excluded.content;
    END IF;
    IF removes > 0 THEN
      DELETE FROM "public".session_value v
      USING unnest(p_schemas, p_fields, p_contents, p_flags) AS c (schema, field, content, flags)
      WHERE v.session = p_key AND v.schema = c.schema AND v.field = c.field AND c.flags & 1 <> 0 AND c.content IS NULL;
    END IF;
    IF p_deadline IS NULL AND p_secret IS NULL THEN
      IF sets + removes > 0 THEN
        UPDATE "public".session_record r SET
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
      UPDATE "public".session_record r SET
        expires = head.expires, touched = head.touched, expiry_kind = head.expiry_kind, expiry = head.expiry,
        secret = head.secret, secret_since = head.secret_since, previous = head.previous,
        previous_until = head.previous_until, generation = head.generation, generation_since = head.generation_since,
        revision = head.revision, bytes = head.bytes, keys = head.keys
      WHERE r.key = p_key;
    END IF;
  END
  $$;
CREATE TABLE public.session_layout (
    version integer NOT NULL
);
CREATE TABLE public.session_value (
    session bytea NOT NULL,
    schema bytea NOT NULL,
    field bytea NOT NULL,
    content bytea NOT NULL
)
WITH (fillfactor='80');
INSERT INTO public.session_layout VALUES (1);
INSERT INTO public.session_record VALUES ('\x01f5469b81ce7827f98abe986661f926', 1795608000000, 1794398400000, 1794398400000, 1796990400000, 0, 0, '\x21580c9cf4c5e22cdcc7cab333e1e476731712fc4ea1955b670f38a3ea3d5a36', 1794398400000, NULL, NULL, 0, NULL, 0, 64, 3);
INSERT INTO public.session_record VALUES ('\x39b469880761292d6682db30ee70e657', 1797336000000, 1796126400000, 1796126400000, 1798718400000, 0, 0, '\x3da24603cbe9b566cb21f3209bb2ddb37ad78f7bdd6c521c8aa61d80a4d66c58', 1796126400000, NULL, NULL, 1, 1796126400000, 1, 86, 5);
INSERT INTO public.session_record VALUES ('\x3b1e626f2939c0c7c44be321b0e0ad28', 1797336000000, 1796126400000, 1796126400000, 1798718400000, 0, 0, '\x2663bf2d83cb4f3bcd10dd1b51dc97efeb8d47135d089466d1548920427ee9e8', 1796126400000, NULL, NULL, 0, NULL, 0, 64, 3);
INSERT INTO public.session_record VALUES ('\x88b9f1eef6b02c7bee6dd14aec80d86e', 1797336000000, 1796126400000, 1796126400000, 1798718400000, 0, 0, '\x8ad7431be404a0584bd3427d97b6b011fa6ca3875415bb0d8585bd695b21a346', 1796126400000, NULL, NULL, 1, 1796126400000, 0, 64, 3);
INSERT INTO public.session_record VALUES ('\x14c0533e565f59e998928e67877ee2c0', 1797336000000, 1796126400000, 1796126400000, 1798718400000, 0, 0, '\xf02381cf57912b80ef8846e70cc0bc06931fdb4a34d90cf38f9f75a27b1a152a', 1796126400000, NULL, NULL, 0, NULL, 0, 64, 3);
INSERT INTO public.session_record VALUES ('\x546d4d024ec6bc6bdb0d8445f07558a4', 1797336000000, 1796126400000, 1796126400000, 1798718400000, 0, 0, '\xf70203cc50da20ae0603ab88fad578194d25f74444eaea7114620899df534c2e', 1796126400000, NULL, NULL, 0, NULL, 0, 761, 3);
INSERT INTO public.session_record VALUES ('\x7c3b1ebe19ceec7c37bfbfac21466e2c', 1797336000000, 1796126400000, 1796126400000, 1798718400000, 0, 0, '\xa6c21377f1888f9f309b49a49f9d063c27542fbafa17193dfd6fd11c5c3ca521', 1796126400000, NULL, NULL, 0, NULL, 0, 22, 2);
INSERT INTO public.session_record VALUES ('\x48c9cafae47e35d0b93582d4dfbeb2db', 1797336000000, 1796126400000, 1796126400000, 1798718400000, 0, 0, '\x17b71c7e1879bfd8958bfe9820d7dcc3559c0bd52114ad27680043cc13a008f2', 1796126400000, NULL, NULL, 0, NULL, 1, 76, 4);
INSERT INTO public.session_value VALUES ('\x01f5469b81ce7827f98abe986661f926', '\x61757468', '\x', '\x7b2276223a317d');
INSERT INTO public.session_value VALUES ('\x01f5469b81ce7827f98abe986661f926', '\x61757468', '\x2e75736572', '\x22616e6e22');
INSERT INTO public.session_value VALUES ('\x01f5469b81ce7827f98abe986661f926', '\x73657373696f6e', '\x2e70726f6f66', '\x7b226174223a313739343339383430303030302c2267223a307d');
INSERT INTO public.session_value VALUES ('\x39b469880761292d6682db30ee70e657', '\x63617274', '\x', '\x7b2276223a317d');
INSERT INTO public.session_value VALUES ('\x39b469880761292d6682db30ee70e657', '\x63617274', '\x2e636f756e74', '\x31');
INSERT INTO public.session_value VALUES ('\x39b469880761292d6682db30ee70e657', '\x61757468', '\x', '\x7b2276223a317d');
INSERT INTO public.session_value VALUES ('\x39b469880761292d6682db30ee70e657', '\x61757468', '\x2e75736572', '\x22616e6e22');
INSERT INTO public.session_value VALUES ('\x39b469880761292d6682db30ee70e657', '\x73657373696f6e', '\x2e70726f6f66', '\x7b226174223a313739363132363430303030302c2267223a317d');
INSERT INTO public.session_value VALUES ('\x3b1e626f2939c0c7c44be321b0e0ad28', '\x61757468', '\x', '\x7b2276223a317d');
INSERT INTO public.session_value VALUES ('\x3b1e626f2939c0c7c44be321b0e0ad28', '\x61757468', '\x2e75736572', '\x22616e6e22');
INSERT INTO public.session_value VALUES ('\x3b1e626f2939c0c7c44be321b0e0ad28', '\x73657373696f6e', '\x2e70726f6f66', '\x7b226174223a313739363132363430303030302c2267223a307d');
INSERT INTO public.session_value VALUES ('\x88b9f1eef6b02c7bee6dd14aec80d86e', '\x61757468', '\x', '\x7b2276223a317d');
INSERT INTO public.session_value VALUES ('\x88b9f1eef6b02c7bee6dd14aec80d86e', '\x61757468', '\x2e75736572', '\x22616e6e22');
INSERT INTO public.session_value VALUES ('\x88b9f1eef6b02c7bee6dd14aec80d86e', '\x73657373696f6e', '\x2e70726f6f66', '\x7b226174223a313739363132363430303030302c2267223a307d');
INSERT INTO public.session_value VALUES ('\x14c0533e565f59e998928e67877ee2c0', '\x61757468', '\x', '\x7b2276223a317d');
INSERT INTO public.session_value VALUES ('\x14c0533e565f59e998928e67877ee2c0', '\x61757468', '\x2e75736572', '\x22626f6222');
INSERT INTO public.session_value VALUES ('\x14c0533e565f59e998928e67877ee2c0', '\x73657373696f6e', '\x2e70726f6f66', '\x7b226174223a313739363132363430303030302c2267223a307d');
INSERT INTO public.session_value VALUES ('\x546d4d024ec6bc6bdb0d8445f07558a4', '\x61757468', '\x', '\x7b2276223a317d');
INSERT INTO public.session_value VALUES ('\x546d4d024ec6bc6bdb0d8445f07558a4', '\x61757468', '\x2e75736572', '\x227878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787822');
INSERT INTO public.session_value VALUES ('\x546d4d024ec6bc6bdb0d8445f07558a4', '\x73657373696f6e', '\x2e70726f6f66', '\x7b226174223a313739363132363430303030302c2267223a307d');
INSERT INTO public.session_value VALUES ('\x7c3b1ebe19ceec7c37bfbfac21466e2c', '\x63617274', '\x', '\x7b2276223a317d');
INSERT INTO public.session_value VALUES ('\x7c3b1ebe19ceec7c37bfbfac21466e2c', '\x63617274', '\x2e636f756e74', '\x31');
INSERT INTO public.session_value VALUES ('\x48c9cafae47e35d0b93582d4dfbeb2db', '\x61757468', '\x', '\x7b2276223a317d');
INSERT INTO public.session_value VALUES ('\x48c9cafae47e35d0b93582d4dfbeb2db', '\x61757468', '\x2e75736572', '\x22616e6e22');
INSERT INTO public.session_value VALUES ('\x48c9cafae47e35d0b93582d4dfbeb2db', '\x73657373696f6e', '\x2e70726f6f66', '\x7b226174223a313739363132363430303030302c2267223a307d');
INSERT INTO public.session_value VALUES ('\x48c9cafae47e35d0b93582d4dfbeb2db', '\x61757468', '\x2e74656e616e74', '\x37');
ALTER TABLE ONLY public.session_record
    ADD CONSTRAINT session_record_pkey PRIMARY KEY (key);
ALTER TABLE ONLY public.session_value
    ADD CONSTRAINT session_value_pkey PRIMARY KEY (session, schema, field);
CREATE INDEX session_record_expires ON public.session_record USING btree (expires);
CREATE TRIGGER session_forget AFTER DELETE ON public.session_record FOR EACH ROW EXECUTE FUNCTION public.session_forget();
