"""End-to-end claims: real daemon, web server and dispatcher, a timeline, and the window of each notice.

What happens to the stack is in `timeline`, what is to be heard of it in `test_notices`;
`location` misbehaves on demand, `fragile` cannot always be loaded.
"""
