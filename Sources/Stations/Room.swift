// Stations
