"""One run, four forms: HTML page, terminal, Markdown, JSON."""
