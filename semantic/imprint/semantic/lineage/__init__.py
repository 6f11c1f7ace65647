"""Through time: what each commit touched, how symbols came to be what they are, and what is gone."""
