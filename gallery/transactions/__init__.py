"""Changes and reads of a gallery, each as one transaction.

There is a class for each subject: people, templates, answers and the audit.
`store.Store` is all of them. A change is committed together with its row in the audit
and in the feed of changes. The statements themselves are in `gallery/records/`.
"""
