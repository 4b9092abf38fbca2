-- The tables of version 1, as it created them.
PRAGMA application_id = 1399344226;
PRAGMA user_version = 1;
PRAGMA journal_mode = WAL;
BEGIN;
CREATE TABLE project (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    name TEXT NOT NULL,
    created REAL NOT NULL,
    seed TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('open', 'archived', 'deleted')),
    photos_version INTEGER NOT NULL  -- changes whenever photos, their states or their groups do
) STRICT;
CREATE TABLE photos (
    number INTEGER PRIMARY KEY,
    sha256 TEXT NOT NULL UNIQUE CHECK (length(sha256) = 64),
    name TEXT NOT NULL,
    path BLOB,  -- NULL for an uploaded photo, whose path comes from its hash
    size INTEGER NOT NULL,
    modified INTEGER NOT NULL,
    width INTEGER,
    height INTEGER,
    dhash INTEGER,
    twin INTEGER REFERENCES photos,  -- first photo of its group of near duplicates
    state TEXT NOT NULL CHECK (state IN ('new', 'ok', 'broken')),
    kind TEXT,
    reason TEXT
) STRICT;
CREATE TABLE labels (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    key TEXT NOT NULL UNIQUE,  -- the name without case
    colour TEXT NOT NULL,
    retired INTEGER NOT NULL CHECK (retired IN (0, 1))
) STRICT;
CREATE TABLE batches (
    id INTEGER PRIMARY KEY,
    time REAL NOT NULL,
    who TEXT NOT NULL,
    how TEXT NOT NULL CHECK (how IN
        ('lasso', 'click', 'similar', 'suggestion', 'confirm', 'audit', 'import', 'merge', 'undo', 'redo')),
    space TEXT,
    target INTEGER REFERENCES batches,  -- batch that is undone or redone
    CHECK ((target IS NOT NULL) = (how IN ('undo', 'redo')))
) STRICT;
CREATE INDEX batches_of ON batches (who, id);
CREATE INDEX batches_to ON batches (target, id) WHERE target IS NOT NULL;
CREATE VIEW live AS  -- batches of labels that are not undone
    SELECT * FROM batches b WHERE target IS NULL
    AND IFNULL((SELECT how FROM batches WHERE target = b.id ORDER BY id DESC LIMIT 1), 'redo') = 'redo';
CREATE TABLE events (
    id INTEGER PRIMARY KEY,
    batch INTEGER NOT NULL REFERENCES batches,
    photo INTEGER NOT NULL REFERENCES photos,
    label INTEGER REFERENCES labels,
    source INTEGER REFERENCES events,  -- event that an undo or redo restores, or whose label a merge replaces
    UNIQUE (batch, photo)
) STRICT;
CREATE INDEX events_of ON events (photo, id);
CREATE TABLE audit (
    photo INTEGER PRIMARY KEY REFERENCES photos,
    draw INTEGER NOT NULL
) STRICT;
CREATE TABLE models (
    id INTEGER PRIMARY KEY,
    time REAL NOT NULL,
    labels_hash TEXT NOT NULL,
    draw INTEGER NOT NULL,  -- of the audit that judged it
    figures TEXT NOT NULL
) STRICT;
CREATE TRIGGER batches_update BEFORE UPDATE ON batches BEGIN SELECT RAISE(ABORT, 'batches are append-only'); END;
CREATE TRIGGER batches_delete BEFORE DELETE ON batches BEGIN SELECT RAISE(ABORT, 'batches are append-only'); END;
CREATE TRIGGER events_update BEFORE UPDATE ON events BEGIN SELECT RAISE(ABORT, 'events are append-only'); END;
CREATE TRIGGER events_delete BEFORE DELETE ON events BEGIN SELECT RAISE(ABORT, 'events are append-only'); END;
COMMIT;
