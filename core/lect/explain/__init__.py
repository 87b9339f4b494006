"""Why a stack answers what it answers: which words, and what each of its parts changed."""
