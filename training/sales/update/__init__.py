"""Update of a sales bundle: newer sales, the same weights."""
