"""How good the models are: figures, their comparison, and the documents made from them."""
