"""Ask, score, measure: the only reader of test rows lives here."""
