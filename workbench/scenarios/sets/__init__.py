"""The data sets of the field, one file each: their layout, the papers' crop and size, who is private, how to get them."""
