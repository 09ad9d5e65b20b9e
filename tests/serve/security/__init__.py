"""Vulnerability classes of model servers, each a named test: `test_<class>.py`.

Classes that have happened elsewhere and cannot happen here:

- Bounds of client shared memory and reserved region names (CVE-2025-23319, CVE-2025-23320,
  CVE-2025-23334): clients cannot register memory at all; `test_shared_memory.py` holds that.
- Server-side request forgery through a model's URL, zip slip, symbolic links in archives
  (ShellTorch, CVE-2023-43654): no request names a URL or carries an archive;
  `test_deserialization.py` holds that nothing here could open one.
- Unsafe YAML (CVE-2022-1471) and pickles from a socket (CVE-2024-2912, CVE-2024-50050): neither
  is imported; `test_deserialization.py`.
- Bypass of authentication by another front end (CVE-2026-24207): there is no authentication; what
  there is, the control mode, holds on every port: `test_alternative_front_ends.py`.
- Uploaded files of multipart forms (CVE-2024-9056): forms are not parsed; `test_multipart.py`.
- Full queues of ensembles, leaks of the response cache, ends of sequences: none is served.
- Stub processes that died behind a ready server: `tests/serve/backends/python` kills them.
- Crafted model files and SavedModels: who writes the repository may run code by design; what a
  client loads over the network is `test_path_traversal.py`.
"""
