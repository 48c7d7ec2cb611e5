// ReferenceHost
