"""Tables of columns, from which a row's columns are looked up."""
