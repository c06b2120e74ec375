"""Stage `training`: the search for the best algorithm and parameters, and the model fitted with them."""
