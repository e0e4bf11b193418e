"""Reads numbers as the page prints them."""


def number(text):
    """A printed number; a product of printed numbers is multiplied."""
    result = 1.0
    for factor in text.split(" \u00d7 "):
        result *= float(factor.replace("\u2212", "-"))
    return result


def check_sum(rows, total):
    """The printed terms add up to the printed total, and each product is its term.

    Args:
        rows: (label, product or "", value) of each row, as texts.
        total: as text.
    """
    terms = [number(value) for _, _, value in rows]
    largest = max([abs(number(total)), *(abs(term) * 1e-6 for term in terms)])
    assert abs(sum(terms) - number(total)) <= 1e-6 * largest, (rows, total)
    for label, product, value in rows:
        if product:  # each factor is off by up to half of its seventh digit, the value of its last
            last = 10.0 ** -len(value.partition(".")[2])
            assert abs(number(product) - number(value)) <= 1.1e-6 * abs(number(value)) + last, label
