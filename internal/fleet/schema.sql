-- The production schema of the fleet, without keys: keys.sql adds them after the rows. Letters: C credential, D direct identifier,
-- Q quasi-identifier, H health, F free text, N home network, P pseudonymous key.
CREATE SCHEMA fleet;
SET LOCAL search_path = fleet;

CREATE TABLE app_user (
  user_id           bigint GENERATED ALWAYS AS IDENTITY,          -- P
  public_id         uuid NOT NULL DEFAULT gen_random_uuid(),      -- P
  email             text NOT NULL,                                -- D
  phone             text,                                         -- D
  password_hash     text NOT NULL,                                -- C
  totp_secret       bytea,                                        -- C
  nickname          text,                                         -- D F
  photo_url         text,                                         -- D
  birth_date        date,                                         -- Q
  gender            smallint,                                     -- Q
  height_cm         numeric(5,1),                                 -- H
  country_code      char(2),                                      -- Q
  region_code       text,                                         -- Q
  postal_code       text,                                         -- Q
  time_zone         text NOT NULL DEFAULT 'UTC',                  -- Q
  locale            text,                                         -- Q
  marketing_opt_in  boolean NOT NULL DEFAULT false,
  is_internal       boolean NOT NULL DEFAULT false,
  is_beta           boolean NOT NULL DEFAULT false,
  created_at        timestamptz NOT NULL DEFAULT now(),
  updated_at        timestamptz NOT NULL DEFAULT now(),
  email_verified_at timestamptz,
  last_login_at     timestamptz,                                  -- Q
  last_logout_at    timestamptz,                                  -- Q
  deleted_at        timestamptz
);

CREATE TABLE auth_session (
  session_id    uuid,
  user_id       bigint NOT NULL,
  phone_id      text NOT NULL,                                    -- P, one per handset
  app_os        text NOT NULL,                                    -- Q
  app_version   text NOT NULL,                                    -- Q
  os_version    text,                                             -- Q
  phone_model   text,                                             -- Q
  access_token  text NOT NULL,                                    -- C
  refresh_token text NOT NULL,                                    -- C
  push_token    text,                                             -- C
  ip            inet,                                             -- D Q
  issued_at     timestamptz NOT NULL,
  expires_at    timestamptz NOT NULL,
  revoked_at    timestamptz
);

CREATE TABLE api_key (
  key_id       uuid,
  user_id      bigint NOT NULL,
  secret_hash  bytea NOT NULL,                                    -- C
  created_at   timestamptz NOT NULL,
  last_used_at timestamptz,
  revoked_at   timestamptz
);

CREATE TABLE integration_link (
  link_id          bigint GENERATED ALWAYS AS IDENTITY,
  user_id          bigint NOT NULL,
  provider         text NOT NULL CHECK (provider IN ('alexa', 'google_assistant', 'ifttt', 'apple_home', 'smartthings', 'matter')),
  external_user_id text,                                          -- D
  access_token     text,                                          -- C
  refresh_token    text,                                          -- C
  scopes           text[],
  linked_at        timestamptz NOT NULL,
  last_used_at     timestamptz,
  unlinked_at      timestamptz
);

CREATE TABLE home (
  home_id       bigint GENERATED ALWAYS AS IDENTITY,
  owner_user_id bigint NOT NULL,
  name          text,                                             -- F
  address       text,                                             -- D
  lat           double precision,                                 -- D
  lon           double precision,                                 -- D
  region_code   text,
  time_zone     text NOT NULL,
  created_at    timestamptz NOT NULL
);

CREATE TABLE home_network (
  network_id    bigint GENERATED ALWAYS AS IDENTITY,
  home_id       bigint NOT NULL,
  ssid          text,                                             -- N
  bssid         macaddr,                                          -- N
  gateway_mac   macaddr,                                          -- N
  lan_cidr      cidr,                                             -- N
  public_ip     inet,                                             -- D
  isp_asn       integer,                                          -- Q
  isp_name      text,                                             -- Q
  band          text,
  security      text,
  first_seen_at timestamptz NOT NULL,
  last_seen_at  timestamptz
);

CREATE TABLE product_model (
  model_id             smallint,
  model                text NOT NULL,
  family               text NOT NULL,
  power                text NOT NULL CHECK (power IN ('mains', 'battery')),
  always_connected     boolean NOT NULL,
  heartbeat_interval_s integer NOT NULL,
  offline_after_s      integer NOT NULL,
  launched_on          date NOT NULL,
  eol_on               date
);

CREATE TABLE firmware_release (
  firmware_id  integer,
  model_id     smallint NOT NULL,
  version      text NOT NULL,
  channel      text NOT NULL,
  released_at  timestamptz NOT NULL,
  withdrawn_at timestamptz
);

CREATE TABLE firmware_rollout (
  rollout_id    integer,
  firmware_id   integer NOT NULL,
  target_filter text NOT NULL,
  percent       smallint NOT NULL,
  state         text NOT NULL,                                    -- running | paused | halted | done
  started_at    timestamptz,
  changed_at    timestamptz NOT NULL
);

CREATE TABLE device (
  device_id          bigint GENERATED ALWAYS AS IDENTITY,         -- P
  mac                macaddr NOT NULL,                            -- D
  serial             text NOT NULL,                               -- D
  p2p_id             text,                                        -- D
  enr_secret         text NOT NULL,                               -- C
  model_id           smallint NOT NULL,
  hardware_rev       text,
  owner_user_id      bigint,
  home_id            bigint,
  parent_device_id   bigint,
  nickname           text,                                        -- F
  room               text,                                        -- Q
  network_id         bigint,                                      -- N
  local_ip           inet,                                        -- N
  public_ip          inet,                                        -- D
  rssi_dbm           smallint,
  firmware_id        integer,
  time_zone          text,
  manufactured_on    date,
  first_activated_at timestamptz,
  first_bound_at     timestamptz,
  bound_at           timestamptz,
  unbound_at         timestamptz,
  conn_state         smallint NOT NULL DEFAULT 0,
  conn_state_at      timestamptz,
  last_seen_at       timestamptz,
  user_off           boolean NOT NULL DEFAULT false,
  is_synthetic       boolean NOT NULL DEFAULT false,
  updated_at         timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE device_binding (
  binding_id bigint GENERATED ALWAYS AS IDENTITY,
  device_id  bigint NOT NULL,
  user_id    bigint NOT NULL,
  bound_at   timestamptz NOT NULL,
  unbound_at timestamptz,
  reason     text CHECK (reason IN ('first_setup', 'rebind', 'transfer', 'factory_reset', 'user_removed'))
);

CREATE TABLE device_share (
  share_id        bigint GENERATED ALWAYS AS IDENTITY,
  device_id       bigint NOT NULL,
  owner_user_id   bigint NOT NULL,
  grantee_email   text NOT NULL,                                  -- D, of people who may be no customers
  grantee_user_id bigint,
  role            text NOT NULL DEFAULT 'viewer',
  invited_at      timestamptz NOT NULL,
  accepted_at     timestamptz,
  declined_at     timestamptz,
  revoked_at      timestamptz
);

CREATE TABLE shipment (
  serial       text,
  model_id     smallint NOT NULL,
  channel      text,
  shipped_on   date NOT NULL,
  country_code char(2)
);

CREATE TABLE setup_session (
  setup_id    uuid,
  user_id     bigint NOT NULL,
  device_mac  macaddr,
  model_id    smallint,
  phone_id    text,
  app_os      text,
  app_version text,
  started_at  timestamptz NOT NULL,
  ended_at    timestamptz,
  outcome     text,
  failed_step text,
  error_code  text,
  attempt_no  smallint NOT NULL DEFAULT 1
);

CREATE TABLE setup_step_event (
  setup_id    uuid NOT NULL,
  step_no     smallint NOT NULL,
  step        text NOT NULL,
  occurred_at timestamptz NOT NULL,
  received_at timestamptz NOT NULL DEFAULT now(),
  ok          boolean NOT NULL,
  error_code  text
);

CREATE TABLE connection_attempt (                                 -- app to device, one row per try
  attempt_id     bigint GENERATED ALWAYS AS IDENTITY,
  try_uuid       uuid NOT NULL,
  attempt_group  uuid NOT NULL,
  try_no         smallint NOT NULL,
  device_id      bigint NOT NULL,
  user_id        bigint NOT NULL,
  is_shared_user boolean NOT NULL,
  purpose        text NOT NULL,
  transport      text NOT NULL,
  started_at     timestamptz NOT NULL,
  received_at    timestamptz NOT NULL DEFAULT now(),
  duration_ms    integer,
  ok             boolean,                                         -- NULL: the app went away, outcome unknown
  error_code     text,
  firmware_id    integer,
  app_os         text,
  app_version    text,
  client_ip      inet,
  isp_asn        integer,
  region_code    text
) PARTITION BY RANGE (started_at);

CREATE TABLE device_connectivity_event (                          -- device to cloud, session open and close
  event_id    uuid NOT NULL,
  device_id   bigint NOT NULL,
  session_id  uuid NOT NULL,
  kind        text NOT NULL,                                      -- connected | disconnected | user_off | user_on
  reason      text,
  occurred_at timestamptz NOT NULL,
  received_at timestamptz NOT NULL DEFAULT now(),
  firmware_id integer,
  ssid        text,
  local_ip    inet,
  public_ip   inet,
  isp_asn     integer
) PARTITION BY RANGE (occurred_at);

CREATE TABLE device_heartbeat (
  device_id          bigint NOT NULL,
  occurred_at        timestamptz NOT NULL,
  received_at        timestamptz NOT NULL DEFAULT now(),
  firmware_id        integer,
  rssi_dbm           smallint,
  uptime_s           integer,
  free_mem_kb        integer,
  connected_ms       integer,
  expected_ms        integer,
  reconnects         smallint,
  unexpected_reboots smallint,
  battery_mv         smallint,
  battery_pct        smallint
) PARTITION BY RANGE (occurred_at);

CREATE TABLE device_event (                                       -- motion, sound, contact, lock, leak
  event_id    bigint NOT NULL,
  device_id   bigint NOT NULL,
  kind        text NOT NULL,
  occurred_at timestamptz NOT NULL,
  received_at timestamptz NOT NULL DEFAULT now(),
  ai_tags     text[],
  confidence  smallint,
  clip_url    text,
  clip_key    text,
  read_at     timestamptz
) PARTITION BY RANGE (occurred_at);

CREATE TABLE climate_reading (
  device_id    bigint NOT NULL,
  occurred_at  timestamptz NOT NULL,
  temp_c       real,
  humidity_pct real
) PARTITION BY RANGE (occurred_at);

CREATE TABLE lock_event (
  event_id      bigint,
  device_id     bigint NOT NULL,
  occurred_at   timestamptz NOT NULL,
  kind          text,
  actor_user_id bigint,
  key_name      text,                                             -- F
  source        text
);

CREATE TABLE firmware_update_event (
  event_id         bigint GENERATED ALWAYS AS IDENTITY,
  device_id        bigint NOT NULL,
  rollout_id       integer,
  from_firmware_id integer,
  to_firmware_id   integer,
  stage            text NOT NULL,                                 -- offered | downloaded | installed | booted | rolled_back
  ok               boolean,
  error_code       text,
  occurred_at      timestamptz NOT NULL
);

CREATE TABLE app_session (
  session_id   uuid,
  user_id      bigint NOT NULL,
  phone_id     text NOT NULL,
  app_os       text,
  app_version  text,
  started_at   timestamptz NOT NULL,
  ended_at     timestamptz,
  foreground_s integer NOT NULL DEFAULT 0,
  ip           inet,
  country_code char(2),
  screens      smallint
);

CREATE TABLE body_measurement (                                   -- H, all of it
  measurement_id   bigint GENERATED ALWAYS AS IDENTITY,
  device_id        bigint,
  user_id          bigint NOT NULL,
  family_member_id bigint,
  measured_at      timestamptz NOT NULL,
  age              smallint,
  gender           smallint,
  height_cm        numeric(5,1),
  weight_kg        numeric(6,2),
  bmi              numeric(5,2),
  bmr              integer,
  body_fat_pct     numeric(5,2),
  body_water_pct   numeric(5,2),
  bone_mineral_kg  numeric(5,2),
  muscle_kg        numeric(6,2),
  protein_pct      numeric(5,2),
  visceral_fat     numeric(5,2),
  metabolic_age    smallint,
  impedance        integer[],
  heart_rate       smallint
);

CREATE TABLE subscription (
  subscription_id bigint,
  user_id         bigint NOT NULL,
  plan            text NOT NULL,
  started_at      timestamptz NOT NULL,
  canceled_at     timestamptz,
  ends_at         timestamptz
);

CREATE TABLE support_ticket (
  ticket_id bigint,
  user_id   bigint,
  device_id bigint,
  channel   text,
  category  text,
  subject   text,                                                 -- F
  opened_at timestamptz,
  closed_at timestamptz,
  csat      smallint
);

CREATE TABLE support_message (
  message_id bigint,
  ticket_id  bigint NOT NULL,
  author     text,
  body       text,                                                -- F
  sent_at    timestamptz
);

CREATE TABLE admin_access_log (
  log_id         bigint,
  employee       text,
  action         text,
  target_user_id bigint,
  at             timestamptz
);
