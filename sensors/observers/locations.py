"""Code locations: asked of the web server here too, for whoever runs no dispatcher."""

from resources.notifications.code_locations import look_at_locations
from sensors.observers.scene import Scene


def observe_locations(scene: Scene) -> int:
    """Record code locations that cannot be loaded, and those that can again; return how many are new."""
    return look_at_locations(scene.outbox, scene.clock, scene.about)
