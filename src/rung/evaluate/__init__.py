"""Ask, score, measure: the kit, and the evaluator that alone reads test examples in a climb."""
