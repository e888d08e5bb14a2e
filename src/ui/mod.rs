//! ui
pub struct RunOptions {
    pub settings: crate::settings::Settings,
    pub settings_path: Option<std::path::PathBuf>,
    pub settings_problem: Option<String>,
}
pub fn run(_o: RunOptions) -> Result<(), std::io::Error> {
    Ok(())
}
