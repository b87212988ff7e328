-- Decoding of screened messages. Input: relation `screened` (event_seq BIGINT, body VARCHAR).
-- A row that breaks any rule here is not rejected here: it goes to the exact judge.

CREATE OR REPLACE TEMP TABLE raw_events AS
SELECT
    event_seq,
    j.data.lines AS lines,
    j.source, j.id AS event_id, j.type AS event_type, j.subject,
    j.data.order_id, coalesce(j.data.version, 0) AS version, j.data.kind, j.data.status, j.data.currency,
    j.data.customer.customer_id, j.data.customer.name AS customer_name,
    j.data.customer.email AS customer_email, j.data.customer.country,
    CASE WHEN regexp_full_match(j.data.placed_at, $timestamp) THEN
        try_cast(j.data.placed_at AS TIMESTAMPTZ) END AS placed_at,
    CASE WHEN regexp_full_match(j.time, $timestamp) THEN try_cast(j.time AS TIMESTAMPTZ) END AS occurred_at,
    CASE WHEN j.data.shipping IS NULL THEN 0 WHEN regexp_full_match(j.data.shipping, $money)
         THEN (try_cast(j.data.shipping AS DECIMAL(20, 4)) * 10000)::BIGINT END AS shipping,
    CASE WHEN j.data.discount IS NULL THEN 0 WHEN regexp_full_match(j.data.discount, $money)
         THEN (try_cast(j.data.discount AS DECIMAL(20, 4)) * 10000)::BIGINT END AS discount,
    CASE WHEN j.data.tax IS NULL THEN 0 WHEN regexp_full_match(j.data.tax, $money)
         THEN (try_cast(j.data.tax AS DECIMAL(20, 4)) * 10000)::BIGINT END AS tax
FROM (SELECT event_seq, json_transform(body, $shape) AS j FROM screened);

CREATE OR REPLACE TEMP TABLE raw_lines AS
SELECT
    event_seq,
    line_index, line.line_number, line.sku, line.description, line.quantity,
    CASE WHEN regexp_full_match(line.unit_price, $money)
         THEN (try_cast(line.unit_price AS DECIMAL(20, 4)) * 10000)::BIGINT END AS unit_price
FROM (
    SELECT event_seq, unnest(lines) AS line, generate_subscripts(lines, 1) AS line_index
    FROM raw_events
);

CREATE OR REPLACE TEMP TABLE line_facts AS
SELECT
    event_seq,
    count(*) AS line_count,
    count(unit_price) AS priced,
    min(quantity) AS least, max(quantity) AS most,
    bool_and(line_number = line_index) AS is_numbered_in_order,
    sum(abs(quantity::DOUBLE * unit_price::DOUBLE)) AS magnitude
FROM raw_lines
GROUP BY event_seq;

CREATE OR REPLACE TEMP TABLE repeated_lines AS
SELECT DISTINCT event_seq
FROM raw_lines SEMI JOIN (SELECT event_seq FROM line_facts WHERE NOT is_numbered_in_order) USING (event_seq)
GROUP BY event_seq, line_number
HAVING count(*) > 1;
