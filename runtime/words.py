"""Numbers in words, for messages."""


def counted(number: int, noun: str) -> str:
    """Return a number and its noun, which is in the plural unless the number is 1.

    >>> counted(1, "row"), counted(1200, "row")
    ('1 row', '1,200 rows')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
