"""Worker processes on one machine or many. Plain Python and Ray, which only this package imports."""
