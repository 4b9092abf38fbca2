-- Photos that people review, their answers, and appeals. Times are seconds since 1970.

-- Photos that are kept. deleted_at is null as long as the file exists.
CREATE TABLE review_photos (
    id TEXT PRIMARY KEY,
    photo TEXT NOT NULL,
    kept_at DOUBLE PRECISION NOT NULL,
    deleted_at DOUBLE PRECISION
);
CREATE INDEX review_photos_photo ON review_photos (photo);
CREATE INDEX review_photos_kept ON review_photos (deleted_at, kept_at);

-- Cases of the queue: one for each photo and version of a model, with the id of the receipt. claims is the receipt's
-- content as JSON.
CREATE TABLE review_cases (
    id TEXT PRIMARY KEY,
    photo TEXT NOT NULL,
    model TEXT NOT NULL,
    version TEXT NOT NULL,
    answered_at DOUBLE PRECISION NOT NULL,
    reason TEXT NOT NULL,
    propensity DOUBLE PRECISION NOT NULL,
    opinions_wanted BIGINT NOT NULL,
    claims TEXT NOT NULL,
    state TEXT NOT NULL,
    leased_by TEXT,
    leased_at DOUBLE PRECISION,
    leased_until DOUBLE PRECISION,
    UNIQUE (photo, model, version)
);
CREATE INDEX review_cases_state ON review_cases (state, answered_at);

-- Answers of reviewers, never changed. The keys say that nobody answers twice, and that each opinion exists once.
CREATE TABLE review_answers (
    case_id TEXT NOT NULL,
    opinion BIGINT NOT NULL,
    who TEXT NOT NULL,
    at DOUBLE PRECISION NOT NULL,
    seconds DOUBLE PRECISION NOT NULL,
    how TEXT NOT NULL,
    verdict TEXT NOT NULL,
    breed TEXT,
    note TEXT NOT NULL,
    PRIMARY KEY (case_id, opinion),
    UNIQUE (case_id, who)
);

-- Appeals: one for each receipt.
CREATE TABLE appeals (
    id TEXT PRIMARY KEY,
    receipt_id TEXT NOT NULL UNIQUE,
    photo TEXT NOT NULL,
    model TEXT NOT NULL,
    version TEXT NOT NULL,
    claims TEXT NOT NULL,
    filed_at DOUBLE PRECISION NOT NULL,
    filed_by TEXT,
    due DOUBLE PRECISION NOT NULL,
    claim TEXT NOT NULL,
    breed TEXT,
    state TEXT NOT NULL,
    assigned_to TEXT,
    decided_at DOUBLE PRECISION,
    decided_breed TEXT,
    reason TEXT
);
CREATE INDEX appeals_state ON appeals (state, due);

-- Steps of cases and appeals, never changed. subject is the id of either; number counts from 1.
CREATE TABLE review_events (
    subject TEXT NOT NULL,
    number BIGINT NOT NULL,
    at DOUBLE PRECISION NOT NULL,
    who TEXT NOT NULL,
    action TEXT NOT NULL,
    state TEXT NOT NULL,
    detail TEXT NOT NULL,
    PRIMARY KEY (subject, number)
);
CREATE INDEX review_events_who ON review_events (who, action, at);
