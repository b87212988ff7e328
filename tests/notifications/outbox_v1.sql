-- A state.sqlite that the first version of the outbox made: no version table, no policies.
CREATE TABLE attempts (
	delivery_id TEXT NOT NULL, 
	number INTEGER NOT NULL, 
	started_at DATETIME NOT NULL, 
	ended_at DATETIME, 
	outcome TEXT, 
	error TEXT, 
	PRIMARY KEY (delivery_id, number), 
	FOREIGN KEY(delivery_id) REFERENCES deliveries (delivery_id)
);
INSERT INTO "attempts" VALUES('STEP_FAILURE/run-0/load@file',1,'2026-05-01 10:00:00.000000','2026-05-01 10:00:00.000000','delivered',NULL);
INSERT INTO "attempts" VALUES('STEP_FAILURE/run-1/load@file',1,'2026-05-01 10:00:00.000000','2026-05-01 10:00:00.000000','failed','OSError: x');
CREATE TABLE cursors (
	name TEXT NOT NULL, 
	value TEXT NOT NULL, 
	PRIMARY KEY (name)
);
INSERT INTO "cursors" VALUES('installed_at','2026-05-01T10:00:00+00:00');
INSERT INTO "cursors" VALUES('dagster/RUN_FAILURE','7');
CREATE TABLE deliveries (
	seq INTEGER NOT NULL, 
	delivery_id TEXT NOT NULL, 
	event_key TEXT NOT NULL, 
	channel TEXT NOT NULL, 
	state TEXT NOT NULL, 
	attempts INTEGER NOT NULL, 
	due_at DATETIME NOT NULL, 
	leased_until DATETIME, 
	settled_at DATETIME, 
	PRIMARY KEY (seq), 
	CONSTRAINT delivery_state CHECK (state IN ('pending', 'delivered', 'dead')), 
	UNIQUE (delivery_id), 
	FOREIGN KEY(event_key) REFERENCES events (event_key)
);
INSERT INTO "deliveries" VALUES(1,'STEP_FAILURE/run-0/load@file','STEP_FAILURE/run-0/load','file','delivered',1,'2026-05-01 10:00:00.000000',NULL,'2026-05-01 10:00:00.000000');
INSERT INTO "deliveries" VALUES(2,'STEP_FAILURE/run-1/load@file','STEP_FAILURE/run-1/load','file','dead',1,'2026-05-01 10:00:00.000000',NULL,'2026-05-01 10:00:00.000000');
INSERT INTO "deliveries" VALUES(3,'STEP_FAILURE/run-2/load@file','STEP_FAILURE/run-2/load','file','pending',0,'2026-05-01 10:00:00.000000',NULL,NULL);
CREATE TABLE events (
	seq INTEGER NOT NULL, 
	event_key TEXT NOT NULL, 
	event_type TEXT NOT NULL, 
	subject TEXT NOT NULL, 
	occurred_at DATETIME NOT NULL, 
	recorded_at DATETIME NOT NULL, 
	body TEXT NOT NULL, 
	matched BOOLEAN, 
	PRIMARY KEY (seq), 
	UNIQUE (event_key)
);
INSERT INTO "events" VALUES(1,'STEP_FAILURE/run-0/load','STEP_FAILURE','load','2026-05-01 10:00:00.000000','2026-05-01 10:00:00.000000','{"event_key":"STEP_FAILURE/run-0/load","event_type":"STEP_FAILURE","subject":"load","occurred_at":"2026-05-01T10:00:00Z","title":"Step load of job refresh failed","facts":{"what_broke":"step load: OSError: disk gone","since":"2026-05-01T10:00:00Z","how_many":"1 step","owners":[],"next_step":"read the step''s log in the run, mend the cause, then run the job again","link":"http://127.0.0.1:3000/runs/run-0"}}',1);
INSERT INTO "events" VALUES(2,'STEP_FAILURE/run-1/load','STEP_FAILURE','load','2026-05-01 10:00:00.000000','2026-05-01 10:00:00.000000','{"event_key":"STEP_FAILURE/run-1/load","event_type":"STEP_FAILURE","subject":"load","occurred_at":"2026-05-01T10:00:00Z","title":"Step load of job refresh failed","facts":{"what_broke":"step load: OSError: disk gone","since":"2026-05-01T10:00:00Z","how_many":"1 step","owners":[],"next_step":"read the step''s log in the run, mend the cause, then run the job again","link":"http://127.0.0.1:3000/runs/run-1"}}',1);
INSERT INTO "events" VALUES(3,'STEP_FAILURE/run-2/load','STEP_FAILURE','load','2026-05-01 10:00:00.000000','2026-05-01 10:00:00.000000','{"event_key":"STEP_FAILURE/run-2/load","event_type":"STEP_FAILURE","subject":"load","occurred_at":"2026-05-01T10:00:00Z","title":"Step load of job refresh failed","facts":{"what_broke":"step load: OSError: disk gone","since":"2026-05-01T10:00:00Z","how_many":"1 step","owners":[],"next_step":"read the step''s log in the run, mend the cause, then run the job again","link":"http://127.0.0.1:3000/runs/run-2"}}',1);
INSERT INTO "events" VALUES(4,'STEP_FAILURE/run-3/load','STEP_FAILURE','load','2026-05-01 10:00:00.000000','2026-05-01 10:00:00.000000','{"event_key":"STEP_FAILURE/run-3/load","event_type":"STEP_FAILURE","subject":"load","occurred_at":"2026-05-01T10:00:00Z","title":"Step load of job refresh failed","facts":{"what_broke":"step load: OSError: disk gone","since":"2026-05-01T10:00:00Z","how_many":"1 step","owners":[],"next_step":"read the step''s log in the run, mend the cause, then run the job again","link":"http://127.0.0.1:3000/runs/run-3"}}',NULL);
CREATE INDEX events_undecided ON events (seq) WHERE matched IS NULL;
CREATE INDEX deliveries_due ON deliveries (channel, state, due_at);
