"""What is trained, and how: one module per recipe, each a plain object that `engine.fit` runs."""
