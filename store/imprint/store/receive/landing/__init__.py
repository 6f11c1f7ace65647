"""The last step of a push: its pack comes to the repository, and the catalogue admits it.

Pushes to one repository that come to this step at the same time take it together: one lock, one sync of the
folder, one transaction.
"""
