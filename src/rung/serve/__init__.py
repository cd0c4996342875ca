"""`rung serve`: the winner of a run behind an OpenAI-compatible address, answering by the code that was measured."""
