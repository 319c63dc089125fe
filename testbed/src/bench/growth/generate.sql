-- Generation of rows for the part `growth`. A few seed bookings go through the real processor; every
-- generated booking is a copy of a seed's rows in all tables, with ids and times of its own. So no
-- format that the processor writes is repeated here. All of it lies in the schema `growth`.
--
-- Ids of a seed's booking, objects and events contain `S<story>SEED`. Its seconds begin with the eight
-- digits 17000001, so that a copy's base, counted in hundreds of seconds, replaces them as text.
CREATE SCHEMA growth;

-- A layer is what one step of growth adds: bookings `first` to `last`, evenly over the year.
CREATE TABLE growth.layers (first bigint NOT NULL, last bigint NOT NULL, from_base bigint NOT NULL, to_base bigint NOT NULL);

-- Most bookings are paid, some at two connected accounts; few were refunded or canceled; one of a
-- thousand still waits.
CREATE FUNCTION growth.story(n bigint) RETURNS integer LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN n % 1000 = 0 THEN 1 WHEN n % 100 BETWEEN 1 AND 4 THEN 2 WHEN n % 100 BETWEEN 5 AND 6 THEN 3
        WHEN n % 100 BETWEEN 10 AND 14 THEN 4 WHEN n % 100 BETWEEN 15 AND 17 THEN 5 ELSE 0 END
$$;

-- As Stripe's ids, these begin with the time, and end at random.
CREATE FUNCTION growth.token(n bigint, base bigint) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT to_hex(base * 100 + n % 100) || substr(md5(n::text), 1, 10)
$$;

-- The bookings of a layer, by age.
CREATE FUNCTION growth.lives(layer bigint) RETURNS TABLE (n bigint, story integer, base bigint, token text)
    LANGUAGE sql STABLE AS $$
    SELECT b.n, growth.story(b.n), b.base, growth.token(b.n, b.base)
    FROM growth.layers l CROSS JOIN generate_series(l.first, l.last) AS g (n)
        CROSS JOIN LATERAL (SELECT g.n, l.from_base + (g.n - l.first) * (l.to_base - l.from_base) / (l.last - l.first + 1)) AS b (n, base)
    WHERE l.first = layer
$$;

-- Tokens of paid bookings, drawn from all layers.
CREATE FUNCTION growth.draw(wanted integer) RETURNS TABLE (token text) LANGUAGE sql VOLATILE AS $$
    SELECT growth.token(d.n, l.from_base + (d.n - l.first) * (l.to_base - l.from_base) / (l.last - l.first + 1))
    FROM (SELECT DISTINCT (random() * ((SELECT max(last) FROM growth.layers) - 1))::bigint AS n
          FROM generate_series(1, wanted * 2)) AS d
        JOIN growth.layers l ON d.n BETWEEN l.first AND l.last
    WHERE growth.story(d.n) = 0 AND d.n % 10000 <> 33
    LIMIT wanted
$$;

-- Partitions of a year of operation, made as ensure_event_partitions made them, month by month.
CREATE PROCEDURE growth.past_partitions() LANGUAGE plpgsql AS $$
DECLARE
    month date;
BEGIN
    FOR month IN SELECT generate_series(date_trunc('month', now() AT TIME ZONE 'UTC') - interval '12 months',
        date_trunc('month', now() AT TIME ZONE 'UTC') - interval '3 months', interval '1 month')::date
    LOOP
        EXECUTE format('CREATE TABLE %I PARTITION OF events FOR VALUES FROM (%L) TO (%L)',
            'events_' || to_char(month, 'YYYY_MM'), month::text || ' 00:00:00+00',
            (month + interval '1 month')::date::text || ' 00:00:00+00');
    END LOOP;
END $$;

-- Keeps the seeds' rows of every table that has some, as `growth.<table>`.
CREATE PROCEDURE growth.capture() LANGUAGE plpgsql AS $$
DECLARE
    name text;
    kept bigint;
BEGIN
    FOR name IN SELECT relname FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
    LOOP
        EXECUTE format('CREATE TABLE growth.%1$I AS SELECT substring(t::text FROM ''S([0-9])SEED'')::integer AS story, '
            'row_number() OVER () AS row, t.* FROM public.%1$I t WHERE t::text ~ ''S[0-9]SEED''', name);
        GET DIAGNOSTICS kept = ROW_COUNT;
        IF kept = 0 THEN
            EXECUTE format('DROP TABLE growth.%I', name);
        END IF;
    END LOOP;
END $$;

-- What a copy has in one column. `c` is the copy's booking, `s` the seed's row.
CREATE FUNCTION growth.copied(name text, col text, kind text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    value text := format('s.%I', col);
    renamed text := 'replace(replace(%s, ''S'' || s.story || ''SEED'', c.token), ''17000001'', c.base::text)';
    changes boolean;
BEGIN
    -- Columns that name the row's place in the log, or that must differ for another reason.
    CASE name || '.' || col
        WHEN 'events.payload' THEN
            RETURN format('convert_to(' || renamed || ', ''UTF8'')', 'convert_from(s.payload, ''UTF8'')');
        WHEN 'events.payload_sha256' THEN
            RETURN format('sha256(convert_to(' || renamed || ', ''UTF8''))', 'convert_from(s.payload, ''UTF8'')');
        WHEN 'events.topic' THEN RETURN '''generated.events''';
        WHEN 'events.partition' THEN RETURN '(c.n % 12)::integer';
        WHEN 'events.offset' THEN RETURN 'c.n * 16 + s.row % 16';
        WHEN 'events.disposition' THEN
            RETURN 'CASE WHEN s.id NOT LIKE ''%\_8'' THEN s.disposition WHEN c.n % 250 = 7 THEN ''dead'' '
                'WHEN c.n % 10000 = 33 THEN ''parked'' ELSE s.disposition END';
        WHEN 'bookings.hold' THEN RETURN 'CASE WHEN c.n % 10000 = 33 THEN ''parked'' ELSE s.hold END';
        WHEN 'outbox.id' THEN RETURN 'left(encode(sha256(convert_to(s.id || c.token, ''UTF8'')), ''hex''), length(s.id))';
        -- Sent long ago: nobody reads it again.
        WHEN 'outbox.payload' THEN RETURN '''{}''::json';
        ELSE NULL;
    END CASE;
    CASE kind
        WHEN 'timestamp with time zone' THEN
            -- Stripe's seconds are shifted; times of our own clock follow them.
            RETURN format('CASE WHEN %1$s < ''2024-01-01'' THEN %1$s + make_interval(secs => (c.base - 17000001) * 100) '
                'ELSE to_timestamp(c.base * 100 + 90) END', value);
        WHEN 'bigint' THEN
            EXECUTE format('SELECT bool_or(%I / 100 = 17000001) FROM growth.%I', col, name) INTO changes;
            RETURN CASE WHEN changes THEN format('CASE WHEN %1$s / 100 = 17000001 THEN %1$s + (c.base - 17000001) * 100 '
                'ELSE %1$s END', value) ELSE value END;
        WHEN 'text', 'json', 'jsonb' THEN
            EXECUTE format('SELECT bool_or(%1$I::text ~ ''S[0-9]SEED|17000001'') FROM growth.%2$I', col, name) INTO changes;
            RETURN CASE WHEN changes THEN format(renamed, value || '::text') || '::' || kind ELSE value END;
        ELSE RETURN value;
    END CASE;
END $$;

-- Adds a layer's rows to one table.
CREATE PROCEDURE growth.clone(name text, layer bigint) LANGUAGE plpgsql AS $$
DECLARE
    cols text;
    vals text;
BEGIN
    SELECT string_agg(format('%I', a.attname), ', ' ORDER BY a.attnum),
           string_agg(growth.copied(name, a.attname, format_type(a.atttypid, NULL)), ', ' ORDER BY a.attnum)
      INTO cols, vals
      FROM pg_attribute a
     WHERE a.attrelid = format('public.%I', name)::regclass AND a.attnum > 0 AND NOT a.attisdropped
       AND a.attgenerated = '' AND a.attidentity = '' AND a.attname <> 'apply_seq';
    EXECUTE format('INSERT INTO public.%1$I (%2$s) SELECT %3$s FROM growth.lives(%4$s) c JOIN growth.%1$I s ON s.story = c.story',
        name, cols, vals, layer);
END $$;

-- Indexes are dropped before a table is filled, and made again after it.
CREATE TABLE growth.indexes (tab text NOT NULL, make text NOT NULL);
CREATE PROCEDURE growth.drop_indexes(name text) LANGUAGE plpgsql AS $$
DECLARE
    one record;
BEGIN
    FOR one IN
        SELECT i.indexrelid::regclass::text AS index, c.conname,
            CASE WHEN c.oid IS NULL THEN replace(pg_get_indexdef(i.indexrelid), ' ON ONLY ', ' ON ')
                ELSE format('ALTER TABLE public.%I ADD CONSTRAINT %I %s', name, c.conname, pg_get_constraintdef(c.oid)) END AS make
        FROM pg_index i LEFT JOIN pg_constraint c ON c.conindid = i.indexrelid AND c.conrelid = i.indrelid
        WHERE i.indrelid = format('public.%I', name)::regclass
    LOOP
        INSERT INTO growth.indexes VALUES (name, one.make);
        IF one.conname IS NULL THEN
            EXECUTE format('DROP INDEX %s', one.index);
        ELSE
            EXECUTE format('ALTER TABLE public.%I DROP CONSTRAINT %I', name, one.conname);
        END IF;
    END LOOP;
END $$;
CREATE PROCEDURE growth.make_indexes(name text) LANGUAGE plpgsql AS $$
DECLARE
    statement text;
BEGIN
    FOR statement IN SELECT make FROM growth.indexes WHERE tab = name LOOP
        EXECUTE statement;
    END LOOP;
    DELETE FROM growth.indexes WHERE tab = name;
END $$;
