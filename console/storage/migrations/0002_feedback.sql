-- True sales of forecasts. A receipt's item, or a store's day without a receipt, has one row: its latest value.
CREATE TABLE feedback_sales (
    id TEXT PRIMARY KEY,
    receipt TEXT NOT NULL,  -- id of the receipt; empty for a forecast that was recomputed
    model TEXT NOT NULL,
    version TEXT NOT NULL,
    source TEXT NOT NULL,  -- receipt or recomputed
    item BIGINT NOT NULL,
    store TEXT NOT NULL,  -- JSON
    date TEXT NOT NULL,
    ahead BIGINT NOT NULL,  -- days after the cutoff
    objective TEXT NOT NULL,
    forecast DOUBLE PRECISION NOT NULL,
    quantiles TEXT NOT NULL,  -- JSON; an empty list without a calibration
    slice TEXT NOT NULL,  -- JSON
    sales DOUBLE PRECISION NOT NULL,
    answered BIGINT NOT NULL,
    received BIGINT NOT NULL,
    revision BIGINT NOT NULL,
    client TEXT NOT NULL
);
CREATE INDEX feedback_sales_received ON feedback_sales (model, received);
CREATE INDEX feedback_sales_receipt ON feedback_sales (receipt);

-- Truth about photos. A receipt has one row by reviewers, and one by the others: an owner's word is no reviewer's.
CREATE TABLE feedback_pets (
    id TEXT PRIMARY KEY,
    receipt TEXT NOT NULL,  -- id of the receipt
    model TEXT NOT NULL,
    version TEXT NOT NULL,
    breed TEXT NOT NULL,
    species TEXT NOT NULL,
    probability DOUBLE PRECISION NOT NULL,
    decision TEXT NOT NULL,
    review_reason TEXT NOT NULL,
    review_share DOUBLE PRECISION NOT NULL,
    truth TEXT NOT NULL,  -- breed, other_breed, not_a_pet or unknown
    true_breed TEXT NOT NULL,
    is_right BIGINT,  -- null if the truth is unknown
    why TEXT NOT NULL,
    note TEXT NOT NULL,
    answered BIGINT NOT NULL,
    received BIGINT NOT NULL,
    revision BIGINT NOT NULL,
    client TEXT NOT NULL
);
CREATE INDEX feedback_pets_received ON feedback_pets (model, received);
CREATE INDEX feedback_pets_receipt ON feedback_pets (receipt);

-- Values that were replaced.
CREATE TABLE feedback_revisions (
    id TEXT NOT NULL,
    revision BIGINT NOT NULL,
    value TEXT NOT NULL,
    received BIGINT NOT NULL,
    client TEXT NOT NULL,
    PRIMARY KEY (id, revision)
);

-- Numbers of values ever received, which stay when values are deleted.
CREATE TABLE feedback_counts (
    model TEXT NOT NULL,
    source TEXT NOT NULL,
    outcome TEXT NOT NULL,
    number BIGINT NOT NULL,
    PRIMARY KEY (model, source, outcome)
);

-- Numbers of answers that the workers gave, by UTC day.
CREATE TABLE feedback_answers (
    model TEXT NOT NULL,
    day TEXT NOT NULL,
    number BIGINT NOT NULL,
    PRIMARY KEY (model, day)
);
