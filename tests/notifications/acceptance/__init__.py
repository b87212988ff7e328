"""End-to-end claims: real daemon, web server and dispatcher, a timeline, and the window of each notice.

One stack is shared. What happens to it is in `timeline`, what is to be heard of it in `test_notices`;
`location` misbehaves on demand, `fragile` cannot always be loaded.
"""
