"""One run, six forms: HTML page, terminal, Markdown, JSON, JUnit, CSV."""
