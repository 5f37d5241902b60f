"""An environment's configuration: from YAML files to values that were judged, each with the place it was written.

Knows texts and rules; does not know images, containers, networks or what the configuration will be used for.
"""
