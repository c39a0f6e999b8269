variable "distribution" {
  type        = string
  default     = "al2023"
  description = "The base image: al2023, debian or ubuntu."
}

variable "arch" {
  type        = string
  default     = "x86_64"
  description = "The instances' architecture: x86_64 or arm64."
}

variable "agent_version" {
  type        = string
  description = "The ECS agent's version, for example v1.2.3. It is verified and baked into the image."
}

variable "region" {
  type        = string
  description = "The region in which the image is built, and whose bucket the agent is downloaded from."
}

variable "program" {
  type        = string
  default     = ""
  description = "ecs-init as a .deb, an .rpm, or the binary. Empty: the binary in target/dist."
}

variable "mirror" {
  type        = string
  default     = ""
  description = "The base URL of the agent's files, instead of the region's bucket."
}

variable "config" {
  type        = string
  default     = ""
  description = "A file that becomes /etc/ecs/ecs.config. Empty: user data writes it on each instance."
}

variable "subnet_id" {
  type        = string
  default     = ""
  description = "The subnet of the build instance. Empty: the default VPC's."
}
