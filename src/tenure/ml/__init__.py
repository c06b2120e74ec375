"""What several stages share about data and models: tasks, splits, recipes, signatures, metrics and predictors.

Modules here import numerical libraries at module level, so they are themselves imported only inside a verb.
"""
