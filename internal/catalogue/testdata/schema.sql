CREATE SCHEMA fleet;
CREATE SCHEMA billing;
CREATE TABLE fleet.account (account_id uuid, country text, plan text, birth_year integer, premium boolean);
CREATE TABLE fleet.device (device_id uuid, owner_user_id uuid, model_id text, firmware text, first_activated_at timestamp without time zone, day date, price numeric(10,2), ratio double precision, signal real, events bigint, small smallint, tags text[], numbers integer[], seen_at timestamp with time zone, clock time without time zone, span interval, raw bytea, doc json);
CREATE TABLE billing.invoice (invoice_id uuid, amount numeric(12,4), "Mixed Case" text);
CREATE TABLE public.note (id integer, body text);
