"""The settings of every part, which this package runs."""

from alerthistory_classifier.settings import ClassifierSettings
from alerthistory_common.settings import CommonSettings
from alerthistory_gateway.settings import GatewaySettings
from alerthistory_history.settings import HistorySettings
from alerthistory_ingest.settings import IngestSettings
from alerthistory_publisher.settings import PublisherSettings

ALL_SETTINGS = (
    CommonSettings,
    GatewaySettings,
    IngestSettings,
    HistorySettings,
    ClassifierSettings,
    PublisherSettings,
)
