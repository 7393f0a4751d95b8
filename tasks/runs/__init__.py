"""Flow runs as the Prefect server knows them: abandoned ones ended, crashed ones resumed, leaked slots freed.

Plain Python over the server's REST interface, without Prefect.
"""
