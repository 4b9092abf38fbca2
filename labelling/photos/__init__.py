"""Photos of a folder in place: files, broken ones among them, copies and near duplicates."""
