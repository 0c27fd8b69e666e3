-- Keys, indexes and references of the fleet's schema. Each block (between empty lines) stands for itself; the references come last.
ALTER TABLE fleet.app_user ADD PRIMARY KEY (user_id), ADD UNIQUE (public_id);
CREATE UNIQUE INDEX app_user_email_uq ON fleet.app_user (lower(email));

ALTER TABLE fleet.auth_session ADD PRIMARY KEY (session_id);

ALTER TABLE fleet.api_key ADD PRIMARY KEY (key_id);

ALTER TABLE fleet.integration_link ADD PRIMARY KEY (link_id);

ALTER TABLE fleet.home ADD PRIMARY KEY (home_id);

ALTER TABLE fleet.home_network ADD PRIMARY KEY (network_id);

ALTER TABLE fleet.product_model ADD PRIMARY KEY (model_id), ADD UNIQUE (model);

ALTER TABLE fleet.firmware_release ADD PRIMARY KEY (firmware_id), ADD UNIQUE (model_id, version);

ALTER TABLE fleet.firmware_rollout ADD PRIMARY KEY (rollout_id);

ALTER TABLE fleet.device ADD PRIMARY KEY (device_id), ADD UNIQUE (mac), ADD UNIQUE (serial), ADD UNIQUE (p2p_id);
CREATE INDEX device_owner_ix ON fleet.device (owner_user_id);

ALTER TABLE fleet.device_binding ADD PRIMARY KEY (binding_id);

ALTER TABLE fleet.device_share ADD PRIMARY KEY (share_id);

ALTER TABLE fleet.shipment ADD PRIMARY KEY (serial);

ALTER TABLE fleet.setup_session ADD PRIMARY KEY (setup_id);

ALTER TABLE fleet.setup_step_event ADD PRIMARY KEY (setup_id, step_no, occurred_at);

ALTER TABLE fleet.device_heartbeat ADD PRIMARY KEY (device_id, occurred_at, received_at);

ALTER TABLE fleet.device_connectivity_event ADD PRIMARY KEY (event_id, occurred_at, received_at);

ALTER TABLE fleet.connection_attempt ADD PRIMARY KEY (attempt_id, started_at);

ALTER TABLE fleet.device_event ADD PRIMARY KEY (event_id, occurred_at, received_at);

ALTER TABLE fleet.climate_reading ADD PRIMARY KEY (device_id, occurred_at);

ALTER TABLE fleet.lock_event ADD PRIMARY KEY (event_id);

ALTER TABLE fleet.firmware_update_event ADD PRIMARY KEY (event_id);

ALTER TABLE fleet.app_session ADD PRIMARY KEY (session_id);

ALTER TABLE fleet.body_measurement ADD PRIMARY KEY (measurement_id);

ALTER TABLE fleet.subscription ADD PRIMARY KEY (subscription_id);

ALTER TABLE fleet.support_ticket ADD PRIMARY KEY (ticket_id);

ALTER TABLE fleet.support_message ADD PRIMARY KEY (message_id);

ALTER TABLE fleet.admin_access_log ADD PRIMARY KEY (log_id);

-- references
ALTER TABLE fleet.auth_session ADD FOREIGN KEY (user_id) REFERENCES fleet.app_user;
ALTER TABLE fleet.api_key ADD FOREIGN KEY (user_id) REFERENCES fleet.app_user;
ALTER TABLE fleet.integration_link ADD FOREIGN KEY (user_id) REFERENCES fleet.app_user;
ALTER TABLE fleet.home ADD FOREIGN KEY (owner_user_id) REFERENCES fleet.app_user;
ALTER TABLE fleet.home_network ADD FOREIGN KEY (home_id) REFERENCES fleet.home;
ALTER TABLE fleet.firmware_release ADD FOREIGN KEY (model_id) REFERENCES fleet.product_model;
ALTER TABLE fleet.firmware_rollout ADD FOREIGN KEY (firmware_id) REFERENCES fleet.firmware_release;
ALTER TABLE fleet.device
  ADD FOREIGN KEY (model_id) REFERENCES fleet.product_model,
  ADD FOREIGN KEY (owner_user_id) REFERENCES fleet.app_user,
  ADD FOREIGN KEY (home_id) REFERENCES fleet.home,
  ADD FOREIGN KEY (parent_device_id) REFERENCES fleet.device,
  ADD FOREIGN KEY (network_id) REFERENCES fleet.home_network,
  ADD FOREIGN KEY (firmware_id) REFERENCES fleet.firmware_release;
ALTER TABLE fleet.device_binding
  ADD FOREIGN KEY (device_id) REFERENCES fleet.device,
  ADD FOREIGN KEY (user_id) REFERENCES fleet.app_user;
ALTER TABLE fleet.device_share
  ADD FOREIGN KEY (device_id) REFERENCES fleet.device,
  ADD FOREIGN KEY (owner_user_id) REFERENCES fleet.app_user,
  ADD FOREIGN KEY (grantee_user_id) REFERENCES fleet.app_user;
