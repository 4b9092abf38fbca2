"""Numbers in words, for messages."""


def counted(number: int, noun: str) -> str:
    """Return a number and its noun, which is in the plural unless the number is 1.

    >>> counted(1, "row"), counted(1200, "row"), counted(2, "process")
    ('1 row', '1,200 rows', '2 processes')
    """
    ending = "" if number == 1 else "es" if noun.endswith("s") else "s"
    return f"{number:,} {noun}{ending}"
