"""What keeps a server going under load: who is served next, certificates, proxies, processes, numbers."""
