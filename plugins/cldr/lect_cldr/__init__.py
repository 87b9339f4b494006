"""Names of territories, languages, scripts and currencies in Unicode's CLDR, as examples for `lect`."""
