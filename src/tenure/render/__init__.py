"""Floor 8: plans, results and diagnostics as text, JSON, Markdown and HTML. Decides nothing."""
