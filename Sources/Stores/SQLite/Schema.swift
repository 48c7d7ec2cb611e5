import GRDB

/// The tables, as numbered migrations. A migration that was released is never edited: the next one changes its work.
///
/// Times are microseconds UTC, job IDs 16 octets big-endian, hashes 32 octets, states the words of `JobState`. A body that is
/// NULL is a file of the spool folder, named by its hash.
enum Schema {
    static let migrator: DatabaseMigrator = {
        var migrator = DatabaseMigrator()
        migrator.registerMigration("1") { try $0.execute(sql: first) }
        migrator.registerMigration("audit") { try $0.execute(sql: audit) }
        migrator.registerMigration("unclaimed") { try $0.execute(sql: unclaimed) }
        migrator.registerMigration("endpoints") { try $0.execute(sql: endpoints) }
        migrator.registerMigration("retention") { try $0.execute(sql: retention) }
        migrator.registerMigration("flow") { try $0.execute(sql: flow) }
        migrator.registerMigration("batches") { try $0.execute(sql: batches) }
        migrator.registerMigration("keys") { try $0.execute(sql: keys) }
        migrator.registerMigration("traces") { try $0.execute(sql: traces) }
        migrator.registerMigration("endpoint-tls") { try $0.execute(sql: endpointTLS) }
        migrator.registerMigration("answers") { try $0.execute(sql: answers) }
        migrator.registerMigration("lists") { try $0.execute(sql: lists) }
        migrator.registerMigration("overprint") { try $0.execute(sql: overprint) }
        migrator.registerMigration("text-hashes") { try $0.execute(sql: textHashes) }
        migrator.registerMigration("exchange") { try $0.execute(sql: exchange) }
        return migrator
    }()

    private static let first = """
        CREATE TABLE hosts (
            id TEXT PRIMARY KEY NOT NULL,
            refused_reason TEXT,
            refused_credential BLOB,
            refused_at INTEGER
        ) WITHOUT ROWID;

        CREATE TABLE jobs (
            row INTEGER PRIMARY KEY,
            id BLOB NOT NULL UNIQUE,
            host TEXT NOT NULL,
            owner TEXT NOT NULL,
            name TEXT,
            state TEXT NOT NULL,
            reason TEXT,
            host_job TEXT,
            outcome_kind TEXT,
            outcome_return_code INTEGER,
            outcome_abend TEXT,
            outcome_text TEXT,
            outcome_matched_by TEXT,
            version INTEGER NOT NULL,
            priority INTEGER NOT NULL,
            created_at INTEGER NOT NULL,
            changed_at INTEGER NOT NULL,
            submitted_at INTEGER,
            started_at INTEGER,
            ended_at INTEGER,
            not_before INTEGER,
            not_after INTEGER,
            correlator TEXT,
            labels TEXT NOT NULL,
            deck_octets INTEGER NOT NULL,
            deck_cards INTEGER NOT NULL,
            deck_hash BLOB NOT NULL,
            deck_form TEXT NOT NULL,
            attempts INTEGER NOT NULL,
            cancel_requested_at INTEGER,
            uncertain_policy TEXT NOT NULL,
            outputs INTEGER NOT NULL,
            delayed INTEGER NOT NULL    -- 1 while not_before is known to be ahead
        );
        CREATE INDEX jobs_by_owner ON jobs(owner, id);
        CREATE INDEX jobs_by_host ON jobs(host, id);
        CREATE INDEX jobs_by_state ON jobs(state, id);
        CREATE INDEX jobs_by_name ON jobs(name, id) WHERE name IS NOT NULL;
        CREATE INDEX jobs_by_correlator ON jobs(correlator, id) WHERE correlator IS NOT NULL;
        CREATE INDEX jobs_sendable ON jobs(host, owner, priority DESC, created_at, id)
            WHERE state = 'queued' AND delayed = 0;
        CREATE INDEX jobs_delayed ON jobs(not_before) WHERE state = 'queued' AND delayed = 1;
        CREATE INDEX jobs_under_way ON jobs(host, id)
            WHERE state IN ('sending', 'uncertain', 'submitted', 'running', 'printing');
        CREATE INDEX jobs_deadline ON jobs(not_after) WHERE not_after IS NOT NULL AND state IN ('held', 'queued');

        CREATE TABLE labels (
            key TEXT NOT NULL,
            value TEXT NOT NULL,
            id BLOB NOT NULL,
            job INTEGER NOT NULL REFERENCES jobs(row) ON DELETE CASCADE,
            PRIMARY KEY (key, value, id)
        ) WITHOUT ROWID;
        CREATE INDEX labels_by_job ON labels(job);

        CREATE TABLE decks (
            job INTEGER PRIMARY KEY REFERENCES jobs(row) ON DELETE CASCADE,
            hash BLOB NOT NULL,
            octets INTEGER NOT NULL,
            body BLOB
        );
        CREATE INDEX decks_in_files ON decks(hash) WHERE body IS NULL;

        CREATE TABLE attempts (
            job INTEGER NOT NULL REFERENCES jobs(row) ON DELETE CASCADE,
            number INTEGER NOT NULL,
            host TEXT NOT NULL,
            session TEXT NOT NULL,
            opened_at INTEGER NOT NULL,
            phase TEXT NOT NULL,
            evidence TEXT,
            PRIMARY KEY (job, number)
        ) WITHOUT ROWID;

        CREATE TABLE spool_files (
            row INTEGER PRIMARY KEY,
            job INTEGER NOT NULL REFERENCES jobs(row) ON DELETE CASCADE,
            number INTEGER NOT NULL,
            kind TEXT NOT NULL,
            step TEXT,
            dd_name TEXT,
            sysout_class TEXT,
            forms TEXT,
            carriage_control TEXT NOT NULL,
            code TEXT NOT NULL,
            record_length INTEGER NOT NULL,
            records INTEGER NOT NULL,
            octets INTEGER NOT NULL,
            text_octets INTEGER NOT NULL,
            hash BLOB NOT NULL,
            body BLOB,
            UNIQUE (job, number)
        );
        CREATE INDEX spool_files_in_files ON spool_files(hash) WHERE body IS NULL;

        CREATE TABLE spool_parts (
            job INTEGER NOT NULL REFERENCES jobs(row) ON DELETE CASCADE,
            number INTEGER NOT NULL,
            octets INTEGER NOT NULL,    -- durable in spool/tmp/<job>-<number>.part
            PRIMARY KEY (job, number)
        ) WITHOUT ROWID;

        CREATE TABLE events (
            sequence INTEGER PRIMARY KEY,
            id TEXT NOT NULL,
            type TEXT NOT NULL,
            job BLOB,
            at INTEGER NOT NULL,
            body BLOB NOT NULL
        );
        CREATE INDEX events_by_job ON events(job, sequence) WHERE job IS NOT NULL;

        CREATE TABLE endpoints (
            row INTEGER PRIMARY KEY,
            owner TEXT NOT NULL,
            url TEXT NOT NULL,
            events TEXT NOT NULL,       -- types and trailing wildcards, space between
            job INTEGER REFERENCES jobs(row) ON DELETE CASCADE,
            state TEXT NOT NULL,        -- active, closed (its job has ended), done (and all is delivered or dead), disabled
            created_at INTEGER NOT NULL
        );
        CREATE INDEX endpoints_active ON endpoints(row) WHERE state = 'active';
        CREATE INDEX endpoints_by_job ON endpoints(job) WHERE job IS NOT NULL;

        CREATE TABLE deliveries (
            id INTEGER PRIMARY KEY,
            event INTEGER NOT NULL REFERENCES events(sequence),
            endpoint INTEGER NOT NULL REFERENCES endpoints(row) ON DELETE CASCADE,
            state TEXT NOT NULL,
            next_at INTEGER,
            attempts INTEGER NOT NULL
        );
        CREATE INDEX deliveries_due ON deliveries(next_at, id, endpoint) WHERE state = 'pending';
        CREATE INDEX deliveries_pending ON deliveries(endpoint) WHERE state = 'pending';
        CREATE INDEX deliveries_by_event ON deliveries(event);

        CREATE TABLE delivery_attempts (
            delivery INTEGER NOT NULL REFERENCES deliveries(id) ON DELETE CASCADE,
            number INTEGER NOT NULL,
            at INTEGER NOT NULL,
            status INTEGER,
            result TEXT NOT NULL,
            detail TEXT,
            duration INTEGER NOT NULL,
            address TEXT,
            answer BLOB NOT NULL,
            PRIMARY KEY (delivery, number)
        ) WITHOUT ROWID;

        CREATE TABLE idempotency (
            owner TEXT NOT NULL,
            key TEXT NOT NULL,
            id BLOB NOT NULL,
            job INTEGER NOT NULL REFERENCES jobs(row) ON DELETE CASCADE,
            fingerprint BLOB NOT NULL,
            answer BLOB NOT NULL,
            PRIMARY KEY (owner, key)
        ) WITHOUT ROWID;
        CREATE INDEX idempotency_by_job ON idempotency(job);

        -- Kept in the transaction that changes what they count.
        CREATE TABLE counters (
            kind TEXT NOT NULL,         -- jobs, deliveries
            host TEXT NOT NULL,
            state TEXT NOT NULL,
            count INTEGER NOT NULL,
            PRIMARY KEY (kind, host, state)
        ) WITHOUT ROWID;

        CREATE TABLE keys (
            id TEXT PRIMARY KEY NOT NULL,
            owner TEXT NOT NULL,
            name TEXT,
            secret_hash BLOB NOT NULL,
            scopes TEXT NOT NULL,
            created_at INTEGER NOT NULL,
            expires_at INTEGER,
            revoked_at INTEGER
        ) WITHOUT ROWID;
        CREATE UNIQUE INDEX keys_by_secret ON keys(secret_hash);

        CREATE TABLE audit (
            row INTEGER PRIMARY KEY,
            at INTEGER NOT NULL,
            actor TEXT NOT NULL,
            action TEXT NOT NULL,
            subject TEXT NOT NULL,
            detail TEXT
        );

        CREATE TABLE probe (row INTEGER PRIMARY KEY CHECK (row = 1), writes INTEGER NOT NULL);
        INSERT INTO probe VALUES (1, 0);
        """
}
