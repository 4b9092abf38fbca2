"""Previews: small pictures of photos, and atlases of many in one picture, cached by the hashes of the photos."""
