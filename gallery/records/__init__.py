"""What a gallery stores, a module for each subject.

People, templates, kept media, feedback and batch jobs are read and written here by
functions on a connection, in the transaction of their caller. API keys and jobs, which
the service and its workers use directly, come with transactions of their own.
"""
