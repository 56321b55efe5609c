"""Numbers and counts as people read them, under the name the pages use."""

from fimcore.number_words import about, count_of, duration, entries, joined, number, percent, power_of_ten, with_spread

__all__ = ["about", "count_of", "duration", "entries", "joined", "number", "percent", "power_of_ten", "with_spread"]
